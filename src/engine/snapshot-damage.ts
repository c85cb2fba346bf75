import { isSnapshotError, messageOf, SnapshotDamagedError } from '../errors.ts'

/** Reads something stored: what does not fit together is damage of the snapshot, what has a code of its own is that. */
export async function asDamage<T> (read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (isSnapshotError(error)) throw error
    throw new SnapshotDamagedError(messageOf(error), { cause: error })
  }
}
