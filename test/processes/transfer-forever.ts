import Database from 'better-sqlite3'

/*
 * An application that commits without pause. Two accounts' sums always add up to the same, and each commit has a number,
 * which is noted only after SQLite has acknowledged it.
 */
const database = new Database(process.argv[2] as string, { timeout: 60_000 })
const pauseMs = Number(process.argv[3] ?? 0)
const transfer = database.transaction((amount: number, number: number) => {
  database.prepare('UPDATE left_account SET amount = amount - ? WHERE id = ?').run(amount, number % 50 + 1)
  database.prepare('UPDATE right_account SET amount = amount + ? WHERE id = ?').run(amount, number % 50 + 1)
  database.prepare('INSERT INTO commits (number) VALUES (?)').run(number)
})
let acknowledged = 0
let isStopping = false
let errors = 0
process.on('message', () => { isStopping = true })
process.on('disconnect', () => { process.exit() })

function work (): void {
  if (isStopping) {
    database.close()
    process.send?.({ acknowledged, errors }, () => { process.exit() })
    return
  }
  for (let batch = 0; batch < 20; batch++) {
    try {
      transfer.immediate(acknowledged % 7, acknowledged + 1)
      acknowledged++
    } catch {
      errors++
    }
  }
  if (acknowledged >= 20 && acknowledged < 40) process.send?.('ready')
  pauseMs > 0 ? setTimeout(work, pauseMs) : setImmediate(work)
}
work()
