import { RestoreFailedError } from '../errors.ts'
import { checkLiveDatabase } from './check-live-database.ts'
import type { SnapshotContext } from './context.ts'
import { replaceLiveContent, type ReplacedContent } from './live-content.ts'

/**
 * Brings the content of a pre-restore backup back into the live database, in one transaction and after a safety copy of
 * what is there now. The backup itself stays.
 * @throws FST_SNAPSHOT_RESTORE_FAILED when the database is not sound afterwards
 */
export async function rollBack (context: SnapshotContext, backup: string): Promise<ReplacedContent> {
  const replaced = await replaceLiveContent(context, { image: backup, name: backup, kind: 'pre_rollback' })
  const { isHealthy, errors } = await checkLiveDatabase(context, 'quick')
  context.logger.warn({ backup, isHealthy }, 'The database was rolled back to its content before the restore')
  if (!isHealthy) throw new RestoreFailedError(`the database is not sound after the rollback to ${backup}: ${errors.slice(0, 3).join('; ')}`)
  return replaced
}
