import t from 'tap'
import { startHost } from '../helpers/host.ts'

t.test('POST /snapshots without a body creates a snapshot with a name made of the time', async t => {
  const { request } = await startHost(t)
  const response = await request('POST', '/snapshots')
  t.equal(response.statusCode, 201)
  t.match(response.json().name, /^app-\d{8}T\d{6}Z$/)
  t.equal(response.headers.location, `/snapshots/${response.json().name}`)
})
