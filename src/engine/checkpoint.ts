import Database from 'better-sqlite3'

export interface CheckpointInput { path: string }

/** Moves what the catalog's write-ahead log holds into the catalog: it waits for the disk, which the host must not. */
export async function checkpoint ({ path }: CheckpointInput): Promise<void> {
  const database = new Database(path, { fileMustExist: true })
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.close()
}
