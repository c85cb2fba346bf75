import { messageOf, SnapshotDamagedError } from '../errors.ts'

/** What does not fit together is damage of the snapshot; what fails on this machine, such as a write, is not. */
export async function asDamage<T> (read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new SnapshotDamagedError(messageOf(error), { cause: error })
  }
}
