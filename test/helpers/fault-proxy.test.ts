import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import t from 'tap'
import { FaultProxy } from './fault-proxy.ts'
import { waitUntil } from './wait-until.ts'

t.test('a client that gives up in the moment its answer is lost leaves no socket behind, with which the process would never end', async t => {
  const server = createServer((_request, response) => {
    client.destroy()
    response.end()
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const proxy = await FaultProxy.start(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  proxy.decide = () => 'lose-answer'
  const client = connect(Number(new URL(proxy.endpoint).port), '127.0.0.1').on('error', () => {})
  client.write('GET / HTTP/1.1\r\nHost: proxy\r\n\r\n')
  await once(client, 'close')
  await waitUntil('no socket is left', () => !process.getActiveResourcesInfo().includes('TCPSocketWrap'))
})
