import t from 'tap'
import { Drill, DrillList } from '../../src/schemas/responses.ts'
import { fitsSchema } from '../helpers/fits-schema.ts'
import { startHost, VIEWER_TOKEN } from '../helpers/host.ts'

t.test('drills are run by an admin, and their history is shown to a viewer', async t => {
  const { request, app } = await startHost(t)
  const asViewer = { authorization: `Bearer ${VIEWER_TOKEN}` }
  t.same((await request('GET', '/snapshots/drills', undefined, asViewer)).json(), { drills: [] })
  await request('POST', '/snapshots', { name: 'a' })
  t.equal((await request('POST', '/snapshots/drills', {}, asViewer)).statusCode, 403)
  t.equal((await app.inject('/snapshots/drills')).statusCode, 401)
  const drill = await request('POST', '/snapshots/drills')
  t.equal(drill.statusCode, 200)
  t.match(drill.json(), { isSuccess: true, snapshot: { name: 'a' } })
  const history = await request('GET', '/snapshots/drills', undefined, asViewer)
  t.same(history.json(), { drills: [drill.json()] })
  fitsSchema(t, Drill, drill.json())
  fitsSchema(t, DrillList, history.json())
  t.equal((await request('POST', '/snapshots/drills', { snapshot: 'none' })).statusCode, 404)
  t.equal((await request('POST', '/snapshots/drills', { from: 'a' })).statusCode, 400)
})
