// An unmodified program: fetch, a key from the environment, and URLs. Tells what became of each.
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'

const asked = JSON.parse(readFileSync(0, 'utf8'))
const key = process.env.BANK_KEY

const get = async (url) => {
  try {
    const answer = await fetch(url, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(20_000),
    })
    return [answer.status, await answer.text()]
  } catch (error) {
    return ['failed', String(error.cause ?? error)]
  }
}

const dial = (place) =>
  new Promise((resolve) => {
    const [host, port] = place.split(':')
    const socket = connect({ host, port: Number(port), timeout: 5_000 }, () => {
      socket.destroy()
      resolve('connected')
    })
    socket.on('error', (error) => resolve(error.code))
  })

const urls = {}
for (const url of asked.urls) urls[url] = await get(url)
const dials = {}
for (const place of asked.dials) dials[place] = await dial(place)
const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim()
process.stdout.write(JSON.stringify({ urls, dials, key, children }))
