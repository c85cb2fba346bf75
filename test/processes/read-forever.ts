import Database from 'better-sqlite3'

/* An application that reads without pause through one connection, each time checking that the two sums agree. */
const database = new Database(process.argv[2] as string, { timeout: Number(process.argv[3] ?? 0) })
const difference = database.prepare('SELECT (SELECT total(amount) FROM left_account) + (SELECT total(amount) FROM right_account)').pluck()
const marker = database.prepare('SELECT count(*) FROM marker').pluck()
const report = { reads: 0, errors: [] as string[], wrong: 0, markers: [] as number[] }
let isStopping = false
process.on('message', () => { isStopping = true })
process.on('disconnect', () => { process.exit() })

function work (): void {
  if (isStopping) {
    process.send?.(report, () => { process.exit() })
    return
  }
  try {
    if (difference.get() !== 0) report.wrong++
    const seen = marker.get() as number
    if (report.markers.at(-1) !== seen) report.markers.push(seen)
    report.reads++
  } catch (error) {
    report.errors.push((error as Error).message)
  }
  if (report.reads === 1) process.send?.('ready')
  setImmediate(work)
}
work()
