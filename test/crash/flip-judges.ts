import { readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { takeBackup } from '../../src/engine/apply/backup-checksum.ts'
import type { SnapshotWriter } from '../../src/index.ts'
import { codeOf } from '../../src/errors.ts'
import { decodeManifest } from '../../src/format/manifest.ts'
import { decodeMarks } from '../../src/format/marks.ts'
import { writerHere } from './engines-here.ts'
import { judgeCatalog } from './flip-catalog.ts'
import { sha256Of, type FlipPlace, type Kind } from './flip-place.ts'

/** `detected`: an error or a report says so. `harmless`: everything that is read is as it was. `repaired`: the catalog is as it was again. */
export type Outcome = 'detected' | 'harmless' | 'repaired'
/** A bit that is turned around in a file; in the catalog it is still to be done. */
export interface Flip { file: string, bit: number, number: number }
export type Judge = (place: FlipPlace, flip: Flip) => Promise<{ outcome: Outcome, problems: string[] }>

const decoded = (decode: (bytes: Buffer) => unknown) => async (_place: FlipPlace, { file, bit }: Flip) => {
  const bytes = readFileSync(file)
  try {
    const read = decode(bytes)
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ 1 << (bit & 7)
    return { outcome: 'harmless' as const, problems: isDeepStrictEqual(read, decode(bytes)) ? [] : ['it is read as something else'] }
  } catch {
    return { outcome: 'detected' as const, problems: [] }
  }
}

/** A restore of a snapshot that needs the pack, and verifications of those that do until one finds it. */
const judgePack: Judge = async (place, { file, number }) => {
  const pack = basename(join(file, '..'))
  const names = [...place.manifests].filter(([, { packs, map }]) => map.pack === pack || packs.some(({ id }) => id === pack)).map(([name]) => name)
  reader ??= writerHere(place.path, join(place.folder, 'reader'), place.backups)
  const inTurn = names.map((_, index) => names[(number + index) % names.length] as string)
  const { isRestored, problems } = await restoreOne(place, reader, inTurn[0] as string)
  let isDetected = false
  for (const name of inTurn.reverse()) isDetected ||= !(await reader.verifySnapshot(name)).isHealthy
  if (!isDetected) problems.push('no verification finds it')
  return { outcome: isDetected || !isRestored ? 'detected' : 'harmless', problems }
}

/** Of one catalog for all packs; it ends with the process. */
let reader: SnapshotWriter | null = null

/** The content of a snapshot, or an error with a code. */
export async function restoreOne (place: FlipPlace, writer: SnapshotWriter, name: string): Promise<{ isRestored: boolean, problems: string[] }> {
  const file = join(place.folder, 'restored.db')
  try {
    const { snapshot } = await writer.restoreToFile(name, file)
    const isRight = sha256Of(file) === place.contents.get(name === 'latest' ? snapshot.id : name) // the name may be what is damaged
    return { isRestored: true, problems: isRight ? [] : [`the restore of ${name} gave something else, and no error`] }
  } catch (error) {
    return { isRestored: false, problems: codeOf(error)?.startsWith('FST_SNAPSHOT_') === true ? [] : [`the restore of ${name} failed without a code: ${String(error)}`] }
  } finally {
    rmSync(file, { force: true })
  }
}

const judgeBackup: Judge = async (place, { file }) => {
  const backup = file.replace(/\.sha256$/, '')
  const copy = join(place.folder, 'taken.db')
  try {
    await takeBackup({ backup, copy })
    return { outcome: 'harmless', problems: file === backup ? ['the backup was taken as it is'] : [] }
  } catch (error) {
    return { outcome: 'detected', problems: codeOf(error) === 'FST_SNAPSHOT_DAMAGED' ? [] : [`it failed by ${String(error)}`] }
  } finally {
    rmSync(copy, { force: true })
  }
}

export const judges: Record<Kind, Judge> = { manifest: decoded(decodeManifest), marks: decoded(decodeMarks), pack: judgePack, backup: judgeBackup, catalog: judgeCatalog }
