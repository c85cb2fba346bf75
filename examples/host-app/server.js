import Fastify from 'fastify'
import snapshots, { optionsFromEnv } from 'fastify-sqlite-snapshots'
import { randomBytes } from 'node:crypto'
import { Notes, notesRoutes } from './notes.js'

/*
 * A small real application with snapshots. Without DATABASE_URL it keeps notes in data/notes.db; with it, it serves the
 * snapshot routes for that database and changes nothing in it.
 */
const { PORT = '5000', HOST = '127.0.0.1', DATABASE_URL, SNAPSHOT_ADMIN_TOKEN, SNAPSHOT_VIEWER_TOKEN } = process.env
const path = 'data/notes.db'
const madeToken = SNAPSHOT_ADMIN_TOKEN ? undefined : randomBytes(24).toString('base64url')

const app = Fastify({ logger: true })
const notes = DATABASE_URL ? undefined : new Notes(path)
if (notes) await app.register(notesRoutes, { notes })
await app.register(snapshots, {
  ...optionsFromEnv(),
  ...(notes && {
    database: path,
    // Only where SQLite cannot change the content of the file, so that another takes its place.
    onBeforeReplace: () => notes.close(),
    onAfterReplace: () => notes.open()
  }),
  auth: { admin: SNAPSHOT_ADMIN_TOKEN || madeToken, ...(SNAPSHOT_VIEWER_TOKEN && { viewer: SNAPSHOT_VIEWER_TOKEN }) }
})

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
const address = await app.listen({ port: Number(PORT), host: HOST })

const header = `-H "Authorization: Bearer ${madeToken ?? '$SNAPSHOT_ADMIN_TOKEN'}"`
console.log(`
Ready at ${address}. ${madeToken ? 'SNAPSHOT_ADMIN_TOKEN is not set, so a token was made for this run.' : 'The token is the one in SNAPSHOT_ADMIN_TOKEN.'} Try:

curl -X POST ${address}/snapshots ${header} -H "Content-Type: application/json" -d '{"name": "first"}'
curl ${address}/snapshots ${header}
curl -X POST ${address}/snapshots/first/restore ${header}
curl ${address}/health ${header}
curl ${address}/metrics
`)
