import Database from 'better-sqlite3'

/* Dies in the middle of a transaction that has already written to the database file. */
const database = new Database(process.argv[2])
database.pragma('cache_size = 2')
database.exec('BEGIN IMMEDIATE')
database.exec("UPDATE items SET text = 'never committed', data = zeroblob(400)")
database.exec('DELETE FROM items WHERE id % 2')
process.kill(process.pid, 'SIGKILL')
