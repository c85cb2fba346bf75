import Database from 'better-sqlite3'

/* Takes an exclusive lock on a database and keeps it until it is killed. */
const [path] = process.argv.slice(2)
const database = new Database(String(path))
database.exec('BEGIN EXCLUSIVE')
process.send?.('locked')
setInterval(() => { database.inTransaction || process.exit(1) }, 1000)
