import { registerHooks } from 'node:module'
import t from 'tap'
import { S3Storage } from '../../src/index.ts'

t.test('without the SDK a storage can be made, and its first use says what to install', async t => {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier.startsWith('@aws-sdk/')) throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: 'ERR_MODULE_NOT_FOUND' })
      return next(specifier, context)
    }
  })
  t.teardown(() => { hooks.deregister() })
  const storage = new S3Storage({ bucket: 'bucket' })
  const missing = {
    code: 'FST_SNAPSHOT_PACKAGE_MISSING',
    message: 'To keep snapshots in S3, install what that needs: npm install @aws-sdk/client-s3 @aws-sdk/lib-storage',
    cause: { code: 'ERR_MODULE_NOT_FOUND' }
  }
  await t.rejects(storage.head('app/object'), missing)
  await t.rejects(storage.put('app/object', Buffer.from('x')), missing)
  await t.rejects(storage.get('app/object'), missing)
})
