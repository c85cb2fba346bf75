import cluster from 'node:cluster'
import Fastify from 'fastify'
import { builtPlugin } from '../helpers/built.ts'

/*
 * An application in four cluster workers with a snapshot every second. It says where each of them can be scraped; all end with
 * the process that began it.
 */
const WORKERS = 4
const [database = '', snapshots = ''] = process.argv.slice(2)

if (cluster.isPrimary) {
  for (let number = 0; number < WORKERS; number++) cluster.fork().on('message', message => { process.send?.(message) })
  process.on('disconnect', () => { process.exit() })
} else {
  const app = Fastify()
  await app.register(builtPlugin, { database, auth: false, probeStorage: false, schedule: { snapshots, integrity: false, retention: false, verify: false, drill: false, keepLast: 20 } })
  const address = await app.listen({ port: 0, host: '127.0.0.1', exclusive: true })
  process.send?.({ pid: process.pid, address })
}
