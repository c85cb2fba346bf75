import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import type { ApplyImageResult } from '../engine/apply/apply-image.ts'
import { RestoreFailedError } from '../errors.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { beginCopy, replaceLiveContent } from './live-content.ts'
import { removeDatabase } from './remove-database.ts'
import { removeIntent } from './restore-intent.ts'

/**
 * Brings the content of a pre-restore backup back into the live database, in one transaction and after a safety copy of
 * what is there now. The backup itself stays.
 * @throws FST_SNAPSHOT_RESTORE_FAILED when the database is not sound afterwards
 */
export async function rollBack (context: SnapshotContext, backup: string): Promise<ApplyImageResult> {
  const id = randomUUID()
  const image = context.temporaryFile(`rollback-${id}.db`)
  try {
    await copyFile(backup, image, constants.COPYFILE_FICLONE) // applying may change the image, and the backup must stay as it is
    const replaced = await replaceLiveContent(context, { id, image, name: backup, copy: beginCopy(context, id, 'pre_rollback') })
    const { isHealthy, errors } = await checkLiveDatabase(context, 'quick')
    context.logger.warn({ backup, isHealthy }, 'The database was rolled back to its content before the restore')
    if (!isHealthy) throw new RestoreFailedError(`the database is not sound after the rollback to ${backup}: ${errors.slice(0, 3).join('; ')}`)
    return replaced
  } finally {
    removeDatabase(image)
    removeIntent(context.settings.recoveryDir, id)
  }
}
