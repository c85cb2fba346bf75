import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { ADMIN_TOKEN, startHost } from '../helpers/host.ts'
import { enginesOf, until } from '../helpers/processes.ts'

t.test('a request under way when the application closes is answered, on a connection that is not kept open', async t => {
  const { app } = await startHost(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const sent = request({ port, method: 'POST', path: '/snapshots', headers: { authorization: `Bearer ${ADMIN_TOKEN}`, connection: 'keep-alive' } }).end()
  const answered = once(sent, 'response')
  await until('an engine is at work', () => enginesOf(process.pid).length > 0)
  const closed = app.close()
  const [response] = await answered
  t.ok([201, 503].includes(response.statusCode))
  t.equal(response.headers.connection, 'close')
  response.resume()
  await closed
})
