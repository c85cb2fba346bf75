import { createHash } from 'node:crypto'
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Snapshot, SnapshotWriter } from '../../src/index.ts'
import { decodeManifest, type Manifest } from '../../src/format/manifest.ts'
import { SnapshotWriter as BuiltWriter } from '../helpers/built.ts'
import { contentOf, makeDatabase } from '../helpers/databases.ts'

/** What bits are turned around in. */
export const KINDS = ['manifest', 'marks', 'pack', 'backup', 'catalog'] as const
export type Kind = typeof KINDS[number]

/** What the catalog says of a snapshot that a storage says as well. */
export type Facts = Pick<Snapshot, 'id' | 'name' | 'status' | 'trigger' | 'createdAt' | 'completedAt' | 'size' | 'checksum' | 'checksumAlgorithm' | 'integrity' | 'pageSize' | 'pageCount' | 'pinned' | 'labels' | 'parentId' | 'replicas'>

export const sha256Of = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

export function factsOf ({ id, name, status, trigger, createdAt, completedAt, size, checksum, checksumAlgorithm, integrity, pageSize, pageCount, pinned, labels, parentId, replicas }: Snapshot): Facts {
  return { id, name, status, trigger, createdAt, completedAt, size, checksum, checksumAlgorithm, integrity, pageSize, pageCount, pinned, labels, parentId, replicas }
}

/** A deployment with full and incremental snapshots, labels, pins and pre-restore backups, and what is right of it. */
export class FlipPlace {
  readonly folder: string
  readonly path: string
  readonly backups: string
  readonly recovery: string
  /** Where damaged catalogs are used. */
  readonly catalogs: string
  /** By its name and its id, what a restore of each snapshot gives. */
  readonly contents = new Map<string, string>()
  /** By name or path, what a live database holds after a restore of each snapshot, or a rollback to each backup. */
  readonly live = new Map<string, Record<string, string>>()
  readonly facts: Facts[] = []
  readonly manifests = new Map<string, Manifest>()
  readonly #kept: string

  private constructor (folder: string) {
    this.folder = join(folder, 'deployment')
    this.path = join(this.folder, 'app.db')
    this.backups = join(this.folder, 'backups')
    this.recovery = join(this.folder, 'recovery')
    this.catalogs = join(folder, 'catalogs')
    this.#kept = join(folder, 'kept')
  }

  static async make (folder: string): Promise<FlipPlace> {
    const place = new FlipPlace(folder)
    rmSync(folder, { recursive: true, force: true })
    for (const made of [place.folder, place.catalogs]) mkdirSync(made, { recursive: true })
    const writer = place.writer()
    try {
      await place.#fill(writer)
    } finally {
      await writer.close()
    }
    cpSync(place.backups, place.#kept, { recursive: true })
    return place
  }

  /** A writer of the built package, with engines of its own. */
  writer (): SnapshotWriter {
    return new BuiltWriter({ database: this.path })
  }

  /** Everything that is stored as it was. */
  putBack (): void {
    rmSync(join(this.backups, 'app'), { recursive: true, force: true })
    cpSync(join(this.#kept, 'app'), join(this.backups, 'app'), { recursive: true })
  }

  /** The files of one kind. */
  filesOf (kind: Kind): string[] {
    if (kind === 'catalog') return [join(this.#kept, 'catalog.db')] // is damaged on its way to its place
    if (kind === 'backup') return filesBelow(this.recovery).filter(file => /pre_\w+Z(_\d+)?\.db(\.sha256)?$/.test(file))
    return filesBelow(join(this.backups, 'app', { manifest: 'snapshots', marks: 'marks', pack: 'packs' }[kind]))
  }

  async #fill (writer: SnapshotWriter): Promise<void> {
    const application = makeDatabase(this.path, { pageSize: 1024, rows: 400 })
    const change = (from: number): void => { application.prepare('UPDATE items SET data = randomblob(200) WHERE id BETWEEN ? AND ?').run(from, from + 20) }
    await writer.createSnapshot('full', { labels: { release: '1.0', why: 'before the migration' } })
    change(10)
    await writer.createSnapshot('incremental', { labels: { release: '1.1' } })
    await writer.updateSnapshot('incremental', { pinned: true })
    change(200)
    await writer.createSnapshot('plain')
    change(300)
    await writer.createSnapshot('another-full', { full: true })
    await writer.updateSnapshot('another-full', { pinned: true, labels: {} })
    await writer.restoreFromSnapshot('plain')
    await writer.restoreFromSnapshot('full')
    await writer.recovery.rollback()
    application.close()
    for (const { path } of writer.recovery.listPreRestoreBackups()) this.live.set(path, contentOfCopy(path))
    for (const snapshot of (await writer.listSnapshots()).snapshots) {
      const { path } = await writer.restoreToFile(snapshot.id, join(this.folder, 'right.db'))
      for (const key of [snapshot.name, snapshot.id]) this.contents.set(key, sha256Of(path))
      this.live.set(snapshot.name, contentOfCopy(path))
      rmSync(path)
      this.facts.push(factsOf(snapshot))
      this.manifests.set(snapshot.name, decodeManifest(readFileSync(join(this.backups, 'app', 'snapshots', `${snapshot.id}.json`))))
    }
  }
}

/** SQLite may write to what it opens. */
function contentOfCopy (path: string): Record<string, string> {
  const copy = `${path}.copy`
  copyFileSync(path, copy)
  const content = contentOf(copy)
  for (const suffix of ['', '-wal', '-shm']) rmSync(copy + suffix, { force: true })
  return content
}

export function filesBelow (folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name)).sort()
}
