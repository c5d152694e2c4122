/**
 * The order of test files. Vitest runs one project after the other, the longest files of each first. These mostly wait,
 * for processes and for time, while pure ones keep a core busy: so those begin. The page's file follows, the longest of
 * all. Files of one project stay together: a process is kept only for a file of the same project that comes next.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

export class InOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const of = (...names: readonly string[]) => sorted.filter(({ project }) => names.includes(project.name))
    const rest = sorted.filter(({ project }) => !['unit', 'page', 'alone', 'integration'].includes(project.name))
    return [...of('unit'), ...of('page'), ...of('alone', 'integration'), ...rest]
  }
}
