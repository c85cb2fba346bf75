import { chunks, keysOf, text, type Declare } from './helpers.ts'

export function failingWrites (promise: Declare): void {
  for (const ifAbsent of [false, true]) {
    const how = ifAbsent ? ' with ifAbsent' : ''
    promise(`a body that fails${how} gives its own error and leaves nothing`, async (t, storage) => {
      const failure = Object.assign(new Error('the disk that is read is broken'), { code: 'EIO', syscall: 'read' })
      t.equal(await storage.put('app/object', chunks('begun', failure), { ifAbsent }).catch((error: unknown) => error), failure)
      t.equal(await storage.put('app/object', chunks(failure), { ifAbsent }).catch((error: unknown) => error), failure)
      t.same(await keysOf(storage, ''), [])
      t.equal(await storage.head('app/object'), null)
    })

    promise(`a signal that is aborted already${how} leaves nothing`, async (t, storage) => {
      const failure = new Error('not any more')
      for (const body of [Buffer.from('body'), chunks('body'), chunks()]) {
        t.equal(await storage.put('app/object', body, { ifAbsent, signal: AbortSignal.abort(failure) }).catch((error: unknown) => error), failure)
      }
      t.same(await keysOf(storage, ''), [])
    })
  }

  promise('a body that fails leaves the object that was there', async (t, storage) => {
    await storage.put('app/object', Buffer.from('old'))
    await t.rejects(storage.put('app/object', chunks('new', new Error('broken'))), { message: 'broken' })
    t.equal(await text(storage, 'app/object'), 'old')
  })

  promise('a put that is aborted in the middle leaves the object that was there and ends the body', async (t, storage) => {
    await storage.put('app/object', Buffer.from('old'))
    const controller = new AbortController()
    let isEnded = false
    const body = async function * () {
      try {
        yield Buffer.from('begun')
        controller.abort(new Error('not any more'))
        for (;;) yield Buffer.from('more')
      } finally {
        isEnded = true
      }
    }
    await t.rejects(storage.put('app/object', body(), { signal: controller.signal }), { message: 'not any more' })
    t.ok(isEnded)
    t.equal(await text(storage, 'app/object'), 'old')
  })

  promise('a put that is aborted gives up though its body never ends or goes on', async (t, storage) => {
    const controller = new AbortController()
    let isGivenUp = false
    let goOn = (): void => {}
    const stalled = new Promise<void>(resolve => { goOn = resolve })
    const body = async function * () {
      yield Buffer.from('begun')
      setImmediate(() => { controller.abort(new Error('not any more')) })
      await stalled
    }
    const guard = setTimeout(() => {
      isGivenUp = true
      goOn()
    }, 5000)
    await t.rejects(storage.put('app/object', body(), { signal: controller.signal }), { message: 'not any more' })
    t.notOk(isGivenUp, 'the put did not wait for the body')
    t.equal(await storage.head('app/object'), null)
    clearTimeout(guard)
    goOn()
  })
}
