import Database from 'better-sqlite3'

/* An application that commits small transactions, or reads, at a steady pace and says, when asked, for how long one had to wait at most. */
const [path, interval, does] = process.argv.slice(2)
const database = new Database(path, { timeout: 120_000 })
const statement = database.prepare(does === 'read' ? 'SELECT * FROM ticks ORDER BY rowid DESC LIMIT 1' : 'INSERT INTO ticks (text) VALUES (hex(randomblob(100)))')
let longestMs = 0
let commits = 0

setInterval(() => {
  const started = performance.now()
  does === 'read' ? statement.all() : statement.run()
  longestMs = Math.max(longestMs, performance.now() - started)
  commits++
}, Number(interval))
process.on('message', () => {
  process.send?.({ commits, longestMs })
  longestMs = commits = 0
})
process.on('disconnect', () => {
  database.close()
  process.exit()
})
process.send?.('ready')
