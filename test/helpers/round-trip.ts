import { createHash } from 'node:crypto'
import { createWriteStream, readFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'
import type { SnapshotOptions, SnapshotWriter } from '../../src/index.ts'
import { builtWriterFor } from './built.ts'
import { contentOf, integrityOf, journalModeOf } from './databases.ts'
import { underTest } from './under-test.ts'

/** A writer on a database, closed when the test ends. */
export function writerFor (t: Test, path: string, options: SnapshotOptions = {}): SnapshotWriter {
  const writer = new underTest.SnapshotWriter({ database: path, ...options })
  t.teardown(async () => { await writer.close() })
  return writer
}

export async function download (writer: SnapshotWriter, reference: string, file: string): Promise<void> {
  const { stream } = await writer.downloadSnapshot(reference)
  await pipeline(stream, createWriteStream(file))
}

export const sha256OfFile = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')

/**
 * Creates a snapshot, downloads it, changes the database, restores it, and compares every table's content each time.
 * @param change what the application does between snapshot and restore
 * @param expected the content the snapshot must have; taken from the live database after the creation if left out
 */
export async function checkRoundTrip (t: Test, path: string, change: () => void, expected?: Record<string, string>): Promise<void> {
  const writer = builtWriterFor(t, path, { databaseName: 'app' })
  const snapshot = await writer.createSnapshot('before')
  const content = expected ?? contentOf(path)
  t.match(snapshot, { status: 'COMPLETED', integrity: 'ok' })

  const file = `${t.testdirName}/downloaded.db`
  await download(writer, 'before', file)
  t.equal(sha256OfFile(file), snapshot.checksum, 'the download has the checksum of the snapshot')
  t.same(contentOf(file), content, 'the download has the content of the database')
  t.equal(integrityOf(file), 'ok')

  const mode = journalModeOf(path)
  change()
  t.notSame(contentOf(path), content, 'the database was changed')
  const { preRestoreBackup } = await writer.restoreFromSnapshot('before')
  t.same(contentOf(path), content, 'the restored database has the content of the snapshot')
  t.equal(integrityOf(path), 'ok')
  t.equal(journalModeOf(path), mode, 'the journal mode is kept')
  t.equal(integrityOf(String(preRestoreBackup)), 'ok')
}
