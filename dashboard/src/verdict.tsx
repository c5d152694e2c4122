/** The three answers at the top of the overview. Old figures answer nothing: they are told as what was known last. */
import { audit, connection, samples, swarm } from './known.ts'
import { me } from './role.ts'
import { brokenAnswer, moneyAnswer, personAnswer, type Answer, type Tone } from './verdict.ts'
import { visible } from './visible.ts'
import { duration } from './words.ts'

const marks: Readonly<Record<Tone, string>> = { good: '✓', bad: '✗', unsure: '!', soft: '•' }

const Told = ({ question, answer, oldMs }: { question: string; answer: Answer; oldMs: number | null }) => (
  <div class={`answer-of ${oldMs === null ? answer.tone : 'unsure'}`}>
    <dt>{question}</dt>
    <dd>
      <b>
        <span class="mark" aria-hidden="true">
          {oldMs === null ? marks[answer.tone] : '?'}
        </span>{' '}
        {oldMs === null ? visible(answer.says) : 'Not known now'}
      </b>
      {oldMs !== null && (
        <span class="was-said">
          {duration(oldMs)} ago: {visible(answer.says)}
        </span>
      )}
      {answer.facts.length > 0 && (
        <span class="facts-of">
          {answer.facts.map(({ says, href }, at) => (
            <span key={says}>
              {at > 0 && ' · '}
              {href === null ? visible(says) : <a href={href}>{visible(says)}</a>}
            </span>
          ))}
        </span>
      )}
    </dd>
  </div>
)

export const Verdict = () => {
  const view = swarm.value!
  const now = connection.value
  const oldMs = now.state === 'stale' ? now.ageMs : null
  const checked = audit.value
  const verdict = checked !== null && checked !== 'asking' && 'verdict' in checked ? checked.verdict : null
  return (
    <section class="verdict" aria-labelledby="verdict-title">
      <h2 id="verdict-title" class="spoken">
        At a glance
      </h2>
      <dl>
        <Told question="Does money move?" answer={moneyAnswer(view, samples.value)} oldMs={oldMs} />
        <Told question="What is broken?" answer={brokenAnswer(view, verdict)} oldMs={oldMs} />
        <Told question="Who must act?" answer={personAnswer(view, me.value)} oldMs={oldMs} />
      </dl>
    </section>
  )
}
