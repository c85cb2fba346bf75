import type { Test } from 'tap'

const NAMES = ['DATABASE_URL', 'SNAPSHOT_DATABASE', 'SNAPSHOT_DIR', 'RECOVERY_DIR', 'SNAPSHOT_CRON_SCHEDULE', 'SNAPSHOT_ADMIN_TOKEN', 'SNAPSHOT_VIEWER_TOKEN', 'S3_BUCKET', 'S3_PREFIX', 'S3_ENDPOINT']

/** Sets those variables that this package reads, the others of them are absent; as before when the test ends. */
export function setEnvironment (t: Test, values: Record<string, string> = {}): void {
  const before = Object.fromEntries(NAMES.map(name => [name, process.env[name]]))
  const set = (variables: Record<string, string | undefined>): void => {
    for (const name of NAMES) {
      if (variables[name] === undefined) delete process.env[name]
      else process.env[name] = variables[name]
    }
  }
  t.teardown(() => { set(before) })
  set(values)
}
