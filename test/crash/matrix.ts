import type * as Package from '../../src/index.ts'
import { SnapshotWriter } from '../helpers/built.ts'
import { findProblems, stateOf, type Expected } from './check.ts'
import { deploy, operations, type Operation } from './operations.ts'
import { Place, type Step, type Victim } from './place.ts'

export interface Kill { at: Step, whom: Victim, problems: string[] }

/**
 * Kills an operation at each step that it passes when nobody disturbs it: the process that passes it, and for an engine's also its
 * host. After each kill another host settles what is left, and everything is looked at.
 * @param isChosen which of the kills to try; default all
 */
export async function killEverywhere (root: string, name: string, isChosen: (number: number) => boolean = () => true, onKill: (kill: Kill) => void = () => {}): Promise<{ steps: number, kills: Kill[] }> {
  const operation = operations[name] as Operation
  const place = new Place(root)
  const { steps, expected } = await recordSteps(place, name, operation)
  const kills: Kill[] = []
  const all = steps.flatMap(at => (at.startsWith('engine') ? ['process', 'host'] as const : ['process'] as const).map(whom => ({ at, whom })))
  for (const [number, { at, whom }] of all.entries()) {
    if (!isChosen(number)) continue
    place.putBack()
    const { steps: passed } = await place.run(name, { at, whom })
    const problems = passed.includes(at) ? await settleAndCheck(place, expected) : ['the step was not passed']
    kills.push({ at, whom, problems })
    onKill({ at, whom, problems })
  }
  return { steps: steps.length, kills }
}

/** The steps of an undisturbed run, and what there is before and after it. */
async function recordSteps (place: Place, name: string, operation: Operation): Promise<{ steps: Step[], expected: Expected }> {
  await deploy(place, operation.database)
  const contents = new Map<string, string>()
  const withWriter = async <T>(use: (writer: Package.SnapshotWriter) => Promise<T>): Promise<T> => {
    const writer = new SnapshotWriter({ database: place.path })
    try {
      return await use(writer)
    } finally {
      await writer.close()
    }
  }
  await withWriter(async writer => {
    for (const snapshot of ['first', 'second']) {
      const { path } = await writer.restoreToFile(snapshot, `${place.path}.${snapshot}`)
      contents.set(snapshot, stateOf(path))
    }
  })
  contents.set('made', stateOf(place.path))
  place.clear()
  await deploy(place, operation.database)
  await operation.prepare(place)
  place.keep()
  const before = stateOf(place.path)
  place.putBack()
  const restores = await withWriter(async writer => writer.recovery.listRestores().length)
  place.putBack()
  const { steps, isDone, errors } = await place.run(name)
  if (!isDone) throw new Error(`${name} fails without a kill: ${errors}`)
  if (steps.length < operation.least) throw new Error(`${name} passes ${steps.length} steps only: ${steps.join(', ')}`)
  return { steps, expected: { before, after: stateOf(place.path), isChange: operation.isChange, isDeletion: name.includes('deletion'), restores, contents } }
}

async function settleAndCheck (place: Place, expected: Expected): Promise<string[]> {
  const writer = new SnapshotWriter({ database: place.path })
  try {
    await writer.settle()
    if (expected.isDeletion) { // it has happened once its mark is stored
      await writer.rebuildCatalog()
      await writer.settle()
    }
    return await findProblems(place.folder, writer, expected)
  } catch (error) {
    return [`nothing can be settled: ${String(error)}`]
  } finally {
    await writer.close()
  }
}
