import Database from 'better-sqlite3'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** The application's own part: notes in a SQLite database, through a connection of its own. */
export function openNotes (path) {
  mkdirSync(dirname(path), { recursive: true })
  const isNew = !existsSync(path)
  const database = new Database(path)
  database.pragma('journal_mode = WAL')
  database.exec('CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, createdAt TEXT NOT NULL)')
  if (isNew) makeSampleData(database)
  return database
}

function makeSampleData (database) {
  const insert = database.prepare('INSERT INTO notes (text, createdAt) VALUES (?, ?)')
  const texts = ['Water the plants', 'Buy coffee', 'A backup that was never restored is a hope']
  database.transaction(() => { for (const text of texts) insert.run(text, new Date().toISOString()) })()
}

/** Routes of the notes. */
export async function notesRoutes (app, { database }) {
  const list = database.prepare('SELECT id, text, createdAt FROM notes ORDER BY id')
  const insert = database.prepare('INSERT INTO notes (text, createdAt) VALUES (?, ?) RETURNING *')
  const remove = database.prepare('DELETE FROM notes WHERE id = ?')
  const schema = { body: { type: 'object', required: ['text'], properties: { text: { type: 'string', minLength: 1 } } } }

  app.get('/notes', async () => list.all())
  app.post('/notes', { schema }, async (request, reply) => reply.code(201).send(insert.get(request.body.text, new Date().toISOString())))
  app.delete('/notes/:id', async (request, reply) => reply.code(remove.run(request.params.id).changes === 1 ? 204 : 404).send())
  app.addHook('onClose', async () => { database.close() })
}
