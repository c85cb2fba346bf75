import t from 'tap'
import { step } from '../src/step.ts'

const LISTENER = Symbol.for('fastify-sqlite-snapshots.step')

t.test('a step does nothing where nobody listens', async t => {
  step('restore: staged')
  t.notOk(LISTENER in globalThis)
})

t.test('a listener hears each step', async t => {
  const heard: string[] = []
  Object.assign(globalThis, { [LISTENER]: (name: string) => { heard.push(name) } })
  t.teardown(() => { Reflect.deleteProperty(globalThis, LISTENER) })
  step('restore: staged')
  step('apply: committed')
  t.same(heard, ['restore: staged', 'apply: committed'])
})
