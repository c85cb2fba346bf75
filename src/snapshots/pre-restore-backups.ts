import { lstatSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { restoresByBackup } from '../catalog/restores.ts'
import type { RestoreRow } from '../catalog/schema.ts'
import { messageOf, NotFoundError } from '../errors.ts'
import type { SnapshotContext } from './context.ts'
import type { PreRestoreBackup } from './outcomes.ts'
import { checksumFile } from '../engine/apply/backup-checksum.ts'

const NAME = /^(pre_restore|pre_rollback|pre_reset)_(\d{8}T\d{6}Z)(?:_\d+)?\.db$/

/** The contents from before restores that were kept, the newest first. */
export function listBackups ({ catalog, settings: { recoveryDir, databaseName } }: SnapshotContext): PreRestoreBackup[] {
  const restores = restoresByBackup(catalog, databaseName)
  return namesIn(recoveryDir).flatMap(file => {
    const [, kind] = NAME.exec(file) ?? []
    const path = join(recoveryDir, file)
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (kind === undefined || found?.isFile() !== true) return []
    const restore = restores.get(file)
    return [{ name: basename(file, '.db'), path, kind: kind as PreRestoreBackup['kind'], createdAt: found.mtime.toISOString(), size: found.size, snapshot: restore === undefined || restore.kind === 'rollback' ? null : restore.snapshotName, restoreId: restore?.id ?? null }]
  }).sort((a, b) => b.createdAt.localeCompare(a.createdAt) || b.name.localeCompare(a.name))
}

/** Where the backup of a restore is now: the recovery folder may have been moved since. */
export function backupOf ({ preRestoreBackup }: Pick<RestoreRow, 'preRestoreBackup'>, recoveryDir: string): string | null {
  return preRestoreBackup === null ? null : join(recoveryDir, basename(preRestoreBackup))
}

/**
 * A backup by its name or path; without one, that of the last restore.
 * @throws FST_SNAPSHOT_NOT_FOUND
 */
export function findBackup (context: SnapshotContext, reference: string | undefined): PreRestoreBackup {
  const { recoveryDir } = context.settings
  const backups = listBackups(context)
  const isLatest = reference === undefined || ['', '.db'].some(ending => [`pre_restore_latest${ending}`, join(recoveryDir, `pre_restore_latest${ending}`)].includes(reference))
  const found = isLatest ? latestOf(backups, recoveryDir) : backups.find(({ name, path }) => [name, `${name}.db`, path].includes(reference))
  if (found === undefined) throw new NotFoundError(reference === undefined ? 'pre-restore backup yet' : `pre-restore backup ${JSON.stringify(reference)}; list them to see their names`)
  return found
}

/** The one that the link names; where that is not there, the newest from before a restore, as far as clocks tell. */
function latestOf (backups: PreRestoreBackup[], recoveryDir: string): PreRestoreBackup | undefined {
  const named = latestIn(recoveryDir)
  return backups.find(({ path }) => path === named) ?? backups.find(({ kind }) => kind === 'pre_restore')
}

/**
 * Removes backups beyond the newest `keepLast`, and those that are too old. The newest of each kind stays, and, whatever clocks say,
 * the one that was just made and the one that the link names. A failure is logged.
 */
export function removeOldBackups (context: SnapshotContext, made: string | null): void {
  const { preRestoreBackups: { keepLast, maxAge }, recoveryDir } = context.settings
  const all = listBackups(context)
  // A clock that is ahead for once must not make all of them old: the one before what was just made has to be that late, too.
  const now = Math.min(Date.now(), ...all.filter(({ path }) => path !== made).slice(0, 1).map(({ createdAt }) => Date.parse(createdAt)))
  const kept = [made, latestIn(recoveryDir)]
  for (const backups of Map.groupBy(all, ({ kind }) => kind).values()) {
    for (const { path, createdAt } of backups.filter((backup, index) => index > 0 && !kept.includes(backup.path) && (index >= keepLast || now - Date.parse(backup.createdAt) > maxAge))) {
      try {
        rmSync(path)
        rmSync(checksumFile(path), { force: true })
        context.logger.info({ path, createdAt }, 'An old pre-restore backup was removed')
      } catch (error) {
        context.logger.warn({ err: error, path }, `An old pre-restore backup could not be removed: ${messageOf(error)}`)
      }
    }
  }
}

/** Path of the backup that the link names, or null. */
function latestIn (recoveryDir: string): string | null {
  try {
    return join(recoveryDir, basename(realpathSync(join(recoveryDir, 'pre_restore_latest.db'))))
  } catch {
    return null // it is made by the first restore
  }
}

function namesIn (folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // it is made by the first restore
  }
}
