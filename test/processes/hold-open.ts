import Database from 'better-sqlite3'

/* An application that has a database open and, when told to stop, commits something through the same connection. */
const database = new Database(process.argv[2] as string)
database.prepare('SELECT count(*) FROM sqlite_schema').get()
process.on('message', () => {
  database.exec("INSERT INTO items (text) VALUES ('of a host that was not told')")
  process.send?.(database.prepare('SELECT count(*) FROM items').pluck().get(), () => { process.kill(process.pid, 'SIGKILL') })
})
process.send?.('ready')
