/** Environment variables by the option they stand for. */
const VARIABLES: Record<string, string> = {
  database: 'DATABASE_URL',
  databaseName: 'SNAPSHOT_DATABASE',
  snapshotDir: 'SNAPSHOT_DIR',
  recoveryDir: 'RECOVERY_DIR',
  'schedule.snapshots': 'SNAPSHOT_CRON_SCHEDULE',
  'auth.admin': 'SNAPSHOT_ADMIN_TOKEN',
  'auth.viewer': 'SNAPSHOT_VIEWER_TOKEN'
}

/** An option as errors name it, with its environment variable where it has one. */
export function optionName (option: string): string {
  const variable = VARIABLES[option]
  return variable === undefined ? `"${option}"` : `"${option}" (${variable})`
}
