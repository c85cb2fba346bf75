import Database from 'better-sqlite3'

/*
 * An application that has a database open. It commits `row` on request, closes and opens its connection, and says what it reads
 * through it.
 */
const [path = ''] = process.argv.slice(2)
let database: Database.Database | null = null

const tasks = {
  open () {
    database = new Database(path)
    database.pragma('wal_autocheckpoint = 0')
  },
  close () { database?.close() },
  commit () { database?.exec("INSERT INTO items (text) VALUES ('committed by the application')") },
  read: () => database?.prepare('SELECT count(*), total(id), group_concat(text) FROM items').raw().get()
}

process.on('message', (task: keyof typeof tasks) => {
  try {
    process.send?.({ result: tasks[task]() ?? null })
  } catch (error) {
    process.send?.({ error: String(error) })
  }
})
