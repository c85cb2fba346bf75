import { aboutPack, isSnapshotError, messageOf, SnapshotDamagedError } from '../../errors.ts'

/** Reads something stored in a pack: what does not fit together is damage of the snapshot, what has a code of its own is that. */
export async function asDamage<T> (pack: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw aboutPack(isSnapshotError(error) ? error : new SnapshotDamagedError(messageOf(error), { cause: error }), pack)
  }
}
