import t from 'tap'
import { fitsSchema } from '../helpers/fits-schema.ts'
import { startHost, VIEWER_TOKEN } from '../helpers/host.ts'
import { RetentionPlan, RetentionResult } from '../../src/schemas/responses.ts'

t.test('what retention would do is shown to a viewer, and done for an admin', async t => {
  const { request, app } = await startHost(t, { retention: { manual: { keepLast: 2 } } })
  for (const name of ['a', 'b']) await request('POST', '/snapshots', { name })
  const asViewer = { authorization: `Bearer ${VIEWER_TOKEN}` }
  const plan = await request('GET', '/snapshots/retention', undefined, asViewer)
  t.equal(plan.statusCode, 200)
  t.match(plan.json(), { policy: { manual: { keepLast: 2 }, minimum: 1 }, snapshots: [{ name: 'b', isKept: true, rules: ['keepLast', 'minimum'] }, { name: 'a' }], held: 0 })
  t.equal((await request('POST', '/snapshots/retention', {}, asViewer)).statusCode, 403)
  t.equal((await app.inject('/snapshots/retention')).statusCode, 401)
  const result = await request('POST', '/snapshots/retention')
  t.match(result.json(), { removed: [], snapshots: [{ name: 'b' }, { name: 'a' }] })
  fitsSchema(t, RetentionPlan, plan.json())
  fitsSchema(t, RetentionResult, result.json())
})

t.test('a mistyped option is refused', async t => {
  const { request } = await startHost(t)
  const refused = await request('POST', '/snapshots/retention', { dryRun: true })
  t.equal(refused.statusCode, 400)
  t.match(refused.json(), { code: 'FST_SNAPSHOT_INVALID_REQUEST', message: /dryRun/ })
})
