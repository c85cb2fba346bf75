import { randomUUID } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { lastIntegrityCheck, recordIntegrityCheck } from '../catalog/integrity-checks.ts'
import type { Replica, SnapshotRow, Trigger } from '../catalog/schema.ts'
import { insertSnapshot, isNameTaken, recordCreated, recordCreationFailed } from '../catalog/snapshots.ts'
import type { CreateImageResult } from '../engine/create/create-image.ts'
import { codeOf, CreateFailedError, messageOf, NameTakenError } from '../errors.ts'
import { manifestKey, packKey } from '../format/keys.ts'
import { encodeManifest, FORMAT_VERSION, type Manifest } from '../format/manifest.ts'
import { putFile } from '../storage/put-file.ts'
import { tellHook } from './call-hook.ts'
import type { SnapshotContext } from './context.ts'
import { columnsOf } from './manifest-columns.ts'
import { removeDatabase } from './remove-database.ts'
import { copyStored } from './replicas/copy-snapshot.ts'
import { chooseParent, notePacks, offerPages, releaseFailed, requireStored } from './share-packs.ts'
import { defaultName } from './snapshot-name.ts'
import { isForCallers } from './operation-errors.ts'
import { toSnapshot, type Snapshot } from './snapshot.ts'
import { marksOf, storeMarks } from './store-marks.ts'
import { step } from '../step.ts'

export interface CreateRequest {
  name: string | undefined
  labels: Record<string, string>
  trigger: Trigger
  allowDamaged: boolean
  /** Share nothing with earlier snapshots. */
  full: boolean
  /** Called when the snapshot is in the catalog with status CREATING. */
  onCreating?: (snapshot: Snapshot) => void
}

/**
 * Takes a snapshot: the pack, then the manifest, then the catalog says COMPLETED. A failure leaves its row, and a pack that is
 * stored already for the next one to share.
 */
export async function createSnapshot (context: SnapshotContext, request: CreateRequest, signal: AbortSignal): Promise<Snapshot> {
  const { catalog, logger, settings } = context
  const started = performance.now()
  const row = insertRow(context, request)
  step('create: entered')
  request.onCreating?.(toSnapshot(row))
  let created: SnapshotRow
  try {
    const { columns, packs } = await storeSnapshot(context, row, request, signal)
    created = recordCreated(catalog, row.id, { ...columns, durationMs: Math.round(performance.now() - started) }, packs)
    step('create: completed')
  } catch (error) {
    const explained = isForCallers(error) ? error : new CreateFailedError(messageOf(error), { cause: error })
    recordCreationFailed(catalog, row.id, { code: codeOf(explained) as string, message: messageOf(explained) }, new Date().toISOString())
    step('create: failed')
    if (codeOf(explained) === 'FST_SNAPSHOT_DATABASE_DAMAGED') recordDamagedDatabase(context, messageOf(explained))
    logger.error({ err: error, snapshot: row.name }, `Failed to create snapshot: ${messageOf(error)}`)
    tellHook(context, 'onSnapshotFailed', { name: row.name, error: { code: codeOf(explained) as string, message: messageOf(explained) } })
    await releaseFailed(context, codeOf(error) !== 'FST_SNAPSHOT_NO_ROOM' && settings.maxParentAge > 0)
    throw explained
  }
  logger.info({ snapshot: created.name, size: created.size, storedSize: created.storedSize, durationMs: created.durationMs }, 'Snapshot created')
  await releaseFailed(context)
  tellHook(context, 'onSnapshotCreated', toSnapshot(created))
  return toSnapshot(created)
}

function insertRow (context: SnapshotContext, { name, labels, trigger }: CreateRequest): SnapshotRow {
  const { catalog, settings: { databaseName } } = context
  const now = new Date()
  if (name !== undefined && isNameTaken(catalog, databaseName, name)) throw new NameTakenError(name)
  return insertSnapshot(catalog, {
    id: randomUUID(),
    database: databaseName,
    name: name ?? defaultName(databaseName, now, taken => isNameTaken(catalog, databaseName, taken)),
    status: 'CREATING',
    trigger,
    source: catalog.source,
    createdAt: now.toISOString(),
    labels
  })
}

async function storeSnapshot (context: SnapshotContext, row: SnapshotRow, request: CreateRequest, signal: AbortSignal): Promise<{ columns: Partial<SnapshotRow>, packs: string[] }> {
  const { primary, required } = context
  const result = await storePack(context, row, request, signal)
  const manifest = manifestOf(row, result, new Date().toISOString())
  const marked = { ...row, marksRevision: Object.keys(row.labels).length > 0 ? 1 : 0 }
  if (marked.marksRevision > 0) await storeMarks(primary, row, marksOf(marked))
  step('create: marks stored')
  const { bytes } = await primary.put(manifestKey(row.database, row.id), encodeManifest(manifest), { ifAbsent: true })
  step('create: manifest stored')
  await requireStored(context, row.id, manifest.packs)
  for (const other of required.slice(1)) await copyStored(context, { ...marked, replicas: [{ storage: primary.name, state: 'STORED' }] }, manifest, other, signal)
  return {
    columns: { ...columnsOf(manifest), marksRevision: marked.marksRevision, storedSize: bytes + (result.packBytes ?? 0), replicas: replicasOfNew(context) },
    packs: manifest.packs.map(({ id }) => id)
  }
}

/** The required storages have it; copies in the others follow. */
export function replicasOfNew ({ storages }: SnapshotContext): Replica[] {
  return storages.map(({ storage, isRequired }) => ({ storage: storage.name, state: isRequired ? 'STORED' : 'PENDING' }))
}

/**
 * The engine writes the pack to a local file, so the transaction it reads in never waits for a storage; the storage takes
 * that file over where it can.
 */
async function storePack (context: SnapshotContext, row: SnapshotRow, { allowDamaged, full }: CreateRequest, signal: AbortSignal): Promise<CreateImageResult> {
  const { settings, primary, target, logger } = context
  const [packFile, temporaryFile, nextCache] = ['pack', 'db', 'pages'].map(kind => context.temporaryFile(`${row.id}.${kind}`)) as [string, string, string]
  try {
    const parent = await chooseParent(context, full)
    const result = await context.runEngine('create-image', { source: target, packFile, temporaryFile, nextCache, packId: row.id, level: settings.compressionLevel, check: !wasJustChecked(context), allowDamaged, parent }, { signal })
    if (result.copied !== null) logger.warn({ snapshot: row.name }, `The database was copied before it was stored, as it cannot be read directly: ${result.copied}`)
    notePacks(context, row.id, result.packs.map(({ id }) => id))
    step('create: packs noted')
    if (result.packBytes === null) return result
    const { bytes } = await putFile(primary, packKey(row.database, row.id), packFile, { signal })
    if (bytes !== result.packBytes) throw new Error(`the storage took ${bytes} bytes of ${result.packBytes}`)
    step('create: pack stored')
    if (existsSync(nextCache)) offerPages(context, nextCache)
    step('create: pages offered')
    return result
  } finally {
    for (const file of [packFile, nextCache]) rmSync(file, { force: true })
    removeDatabase(temporaryFile) // an engine that was killed could not
  }
}

/** A check in the future, after a clock was set back, proves nothing. */
function wasJustChecked ({ catalog, settings: { databaseName, integrityCheckMaxAge } }: SnapshotContext): boolean {
  const last = lastIntegrityCheck(catalog, databaseName)
  const age = Date.now() - Date.parse(last?.checkedAt ?? '')
  return last?.isHealthy === true && age >= 0 && age < integrityCheckMaxAge
}

function manifestOf (row: SnapshotRow, { image, sqlite, map, integrity, packs, parent }: CreateImageResult, completedAt: string): Manifest {
  return {
    formatVersion: FORMAT_VERSION,
    required: [],
    id: row.id,
    source: { id: row.source, host: hostname() },
    sequence: row.sequence,
    parent,
    name: row.name,
    database: row.database,
    trigger: row.trigger,
    createdAt: row.createdAt,
    completedAt,
    integrity,
    image,
    sqlite,
    packs: packs.map(({ id, bytes }) => ({ id, bytes, keyId: null, wrappedKey: null })),
    map
  }
}

function recordDamagedDatabase ({ catalog, settings: { databaseName } }: SnapshotContext, error: string): void {
  recordIntegrityCheck(catalog, { database: databaseName, isHealthy: false, errors: [error], unchecked: [], checkedAt: new Date().toISOString(), durationMs: 0 })
}
