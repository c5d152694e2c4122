/**
 * The order of test files. Vitest runs one project after the other, the longest files of each first. These mostly wait,
 * for processes and for time, while files of the page and pure ones keep a core busy: so pure ones begin, and those of
 * the page are spread among the first of the others, a few at a time.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** So many others begin between two files of the page. */
const apart = 6

export class Spread extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const of = (...names: readonly string[]) => sorted.filter(({ project }) => names.includes(project.name))
    const [pure, pages, others] = [of('unit'), of('page'), of('alone', 'integration')]
    const spread = pages.flatMap((page, index) => [page, ...others.slice(index * apart, (index + 1) * apart)])
    const rest = sorted.filter(({ project }) => !['unit', 'page', 'alone', 'integration'].includes(project.name))
    return [...pure, ...spread, ...others.slice(pages.length * apart), ...rest]
  }
}
