import Database from 'better-sqlite3'

/*
 * Processes of an application that write a bank of test/helpers/bank.ts, checkpoint in every mode, vacuum, and open and close
 * it, as chance will have it.
 */
const path = process.argv[2] as string
const chance = (one: number): boolean => Math.random() < 1 / one
const modes = ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE']
let database = new Database(path, { timeout: 2000 })
let rounds = 0
let isStopping = false
process.on('message', () => { isStopping = true })
process.on('disconnect', () => { process.exit() })

function disturb (): void {
  if (chance(20)) database.pragma(`wal_checkpoint(${String(modes[rounds % modes.length])})`)
  else if (chance(200)) database.exec('VACUUM')
  else if (chance(50)) {
    database.close()
    database = new Database(path, { timeout: 2000 })
    database.pragma(`wal_autocheckpoint = ${rounds % 3 * 10}`)
  } else if (chance(30)) database.exec('DELETE FROM items WHERE id % 5 = 0')
  else database.prepare('INSERT INTO items (data) VALUES (randomblob(?))').run(Math.random() * 9000)
}

function work (): void {
  if (isStopping) {
    database.close()
    process.send?.({ rounds }, () => { process.exit() })
    return
  }
  for (let batch = 0; batch < 10; batch++) {
    try {
      disturb()
    } catch {} // the other one is at it
    if (++rounds === 10) process.send?.('ready')
  }
  setImmediate(work)
}
work()
