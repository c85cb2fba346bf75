import { LocalStorage } from '../../src/storage/local-storage.ts'

/* Puts an object that never ends, and says so once its first bytes are written. */
const [root, key] = process.argv.slice(2) as [string, string]
process.on('disconnect', () => { process.exit() })

async function * forever (): AsyncGenerator<Uint8Array> {
  for (let chunk = 0; ; chunk++) {
    if (chunk === 3) process.send?.('ready')
    yield Buffer.alloc(1000, chunk)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
await new LocalStorage(root).put(key, forever())
