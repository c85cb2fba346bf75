import Database from 'better-sqlite3'

/* Commits to a database in WAL mode and dies before anything is checkpointed. */
const database = new Database(process.argv[2])
database.pragma('wal_autocheckpoint = 0')
for (let row = 0; row < 200; row++) database.prepare('INSERT INTO items (text) VALUES (?)').run(`only in the log ${row}`)
process.kill(process.pid, 'SIGKILL')
