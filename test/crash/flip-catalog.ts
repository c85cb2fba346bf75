import { copyFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { SnapshotWriter } from '../../src/index.ts'
import { codeOf, messageOf } from '../../src/errors.ts'
import { writerHere } from './engines-here.ts'
import { flipBitOf } from './flip-bit.ts'
import { restoreOne, type Judge, type Outcome } from './flip-judges.ts'
import { factsOf, filesBelow, type Facts, type FlipPlace } from './flip-place.ts'

/** A snapshot is deleted with one of so many catalogs; with all of them some are restored, all verified, and the catalog rebuilt. */
const DELETIONS = 8

/** A catalog has no checksums: what it says is held against the storage. */
export const judgeCatalog: Judge = async (place, { file, bit, number }) => {
  const catalog = join(place.catalogs, 'catalog.db')
  for (const suffix of ['', '-wal', '-shm']) rmSync(catalog + suffix, { force: true })
  copyFileSync(file, catalog)
  flipBitOf(catalog, bit)
  const reports: string[] = []
  const note = (_details: object, message: string): void => { reports.push(message) }
  let writer: SnapshotWriter
  try {
    writer = writerHere(place.path, place.catalogs, place.backups, { info () {}, warn: note, error: note })
  } catch (error) {
    return { outcome: 'detected', problems: codeOf(error) === 'FST_SNAPSHOT_CATALOG_UNUSABLE' ? [] : [`it is not opened, by ${String(error)}`] }
  }
  try {
    return await judgeOpen(place, writer, reports, number)
  } finally {
    await writer.close()
  }
}

async function judgeOpen (place: FlipPlace, writer: SnapshotWriter, reports: string[], number: number): Promise<{ outcome: Outcome, problems: string[] }> {
  const isDeleted = number % DELETIONS === 0
  const problems: string[] = []
  const attempt = async <T>(run: () => Promise<T>): Promise<T | null> => {
    try {
      return await run()
    } catch (error) {
      reports.push(messageOf(error))
      if (codeOf(error)?.startsWith('FST_SNAPSHOT_') !== true) problems.push(`without a code: ${String(error)}`)
      return null
    }
  }
  const names = [...place.manifests.keys()]
  for (const name of [names[number % names.length] as string, 'latest']) {
    const restored = await restoreOne(place, writer, name)
    problems.push(...restored.problems)
    if (!restored.isRestored) reports.push(`${name} was not restored`)
  }
  const list = async (): Promise<Facts[] | null> => (await attempt(async () => await writer.listSnapshots()))?.snapshots.map(factsOf) ?? null
  const before = await list()
  for (const name of names) await attempt(async () => await writer.verifySnapshot(name))
  await attempt(async () => await writer.rebuildCatalog())
  const after = await list()
  const isRight = isDeepStrictEqual(after, place.facts)
  if (!isRight && reports.length === 0) problems.push(`nobody is told that it contradicts the storage: ${difference(after ?? [], place.facts)}`)
  if (isDeleted) {
    await attempt(async () => { await writer.deleteSnapshot('plain') })
    await attempt(async () => { await writer.settle() })
  }
  problems.push(...missingObjects(place, isDeleted))
  if (isDeleted) place.putBack()
  return { outcome: isRight ? reports.length === 0 && isDeepStrictEqual(before, place.facts) ? 'harmless' : 'repaired' : 'detected', problems }
}

/** Only what belongs to the deleted snapshot may be gone. */
function missingObjects (place: FlipPlace, isDeleted: boolean): string[] {
  const there = new Set(filesBelow(join(place.backups, 'app')).map(file => relative(place.backups, file)))
  const needed = [...place.manifests].filter(([name]) => !isDeleted || name !== 'plain').flatMap(([, { id, packs }]) => [`app/snapshots/${id}.json`, ...packs.map(pack => `app/packs/${pack.id}/data.zst`)])
  return needed.filter(file => !there.has(file)).map(file => `${file} was removed`)
}

function difference (found: Facts[], right: Facts[]): string {
  return right.flatMap(facts => {
    const row = found.find(({ id }) => id === facts.id)
    if (row === undefined) return [`no ${facts.name}`]
    return Object.entries(facts).filter(([key, value]) => !isDeepStrictEqual(row[key as keyof Facts], value)).map(([key, value]) => `${facts.name}.${key} ${JSON.stringify(row[key as keyof Facts])} for ${JSON.stringify(value)}`)
  }).join(', ') || `the order ${found.map(({ name }) => name).join(', ')}`
}
