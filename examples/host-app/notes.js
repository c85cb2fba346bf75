import Database from 'better-sqlite3'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** The application's own part: notes in a SQLite database, through a connection of its own, which can be closed and opened again. */
export class Notes {
  #path
  #database
  #statements

  constructor (path) {
    this.#path = path
    this.open()
  }

  open () {
    mkdirSync(dirname(this.#path), { recursive: true })
    const isNew = !existsSync(this.#path)
    this.#database = new Database(this.#path)
    this.#database.pragma('journal_mode = WAL')
    this.#database.exec('CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, createdAt TEXT NOT NULL)')
    this.#statements = {
      list: this.#database.prepare('SELECT id, text, createdAt FROM notes ORDER BY id'),
      insert: this.#database.prepare('INSERT INTO notes (text, createdAt) VALUES (?, ?) RETURNING *'),
      remove: this.#database.prepare('DELETE FROM notes WHERE id = ?')
    }
    if (isNew) for (const text of ['Water the plants', 'Buy coffee', 'A backup that was never restored is a hope']) this.add(text)
  }

  close () {
    this.#database.close()
  }

  list () {
    return this.#statements.list.all()
  }

  add (text) {
    return this.#statements.insert.get(text, new Date().toISOString())
  }

  remove (id) {
    return this.#statements.remove.run(id).changes === 1
  }
}

/** Routes of the notes. */
export async function notesRoutes (app, { notes }) {
  const schema = { body: { type: 'object', required: ['text'], properties: { text: { type: 'string', minLength: 1 } } } }

  app.get('/notes', async () => notes.list())
  app.post('/notes', { schema }, async (request, reply) => reply.code(201).send(notes.add(request.body.text)))
  app.delete('/notes/:id', async (request, reply) => reply.code(notes.remove(request.params.id) ? 204 : 404).send())
  app.addHook('onClose', async () => { notes.close() })
}
