import Database from 'better-sqlite3'
import Fastify from 'fastify'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type * as Package from '../../src/index.ts'

/* The host that test/bench/main-job.ts measures: the built package in an application with a database of its own. */
const built = new URL('../../dist/index.js', import.meta.url).href
const { default: snapshots } = await import(built) as typeof Package
const path = process.argv[2] as string
const database = new Database(path, { timeout: 10_000 })
const read = database.prepare('SELECT id, text FROM items WHERE id = ?')
const delay = monitorEventLoopDelay({ resolution: 1 })

const app = Fastify()
app.get('/notes', async () => read.all(Math.ceil(Math.random() * 10_000)))
app.get('/delay', async () => ({ eventLoopMaximumMs: delay.max / 1e6 }))
await app.register(snapshots, { database: path, auth: false, schedule: false })
const url = await app.listen({ port: 0, host: '127.0.0.1' })
delay.enable()
process.send?.(url)
process.once('message', () => { void app.close().then(() => { database.close(); process.exit() }) })
