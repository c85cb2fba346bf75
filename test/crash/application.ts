import Database from 'better-sqlite3'

/*
 * An application that commits again and again, whatever happens to its database. From the numbers of the commits that a
 * database holds follows what each account must have.
 */
const PAUSE_MS = 2
const database = new Database(process.argv[2] as string, { timeout: 60_000 })
const transfer = database.transaction((number: number) => {
  database.prepare('UPDATE left_account SET amount = amount - ? WHERE id = ?').run(number % 7, number % 50 + 1)
  database.prepare('UPDATE right_account SET amount = amount + ? WHERE id = ?').run(number % 7, number % 50 + 1)
  database.prepare('INSERT INTO commits (number) VALUES (?)').run(number)
})
let number = 0
let acknowledged: number[] = []
let isPaused = false
process.on('disconnect', () => { process.exit() })
process.on('message', message => {
  isPaused = message === 'pause'
  if (!isPaused) return
  process.send?.(acknowledged)
  acknowledged = []
})

function work (): void {
  setTimeout(work, PAUSE_MS)
  if (isPaused) return
  number++
  try {
    transfer.immediate(number)
    acknowledged.push(number)
  } catch {} // its caller is told that it has not happened
}
work()
process.send?.([])
