import { spawnSync } from 'node:child_process'
import t from 'tap'

const module = new URL('../src/require-node.ts', import.meta.url).href

/** Imports the module in a process that takes itself for another version of Node. */
function importOn (version: string): { status: number | null, stderr: string, stdout: string } {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
  const script = `await import('${module}').then(() => console.log('imported'), error => { console.error(error.message); process.exit(1) })`
  return spawnSync(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, '--input-type=module', '--eval', script], { encoding: 'utf8' })
}

for (const version of ['20.20.2', '21.9.0', '22.14.0', '22.0.0', '22', '18.0.0']) {
  t.test(`on Node ${version} an import ends in one clear sentence`, async t => {
    const { status, stderr, stdout } = importOn(version)
    t.equal(status, 1)
    t.equal(stderr.trim(), `fastify-sqlite-snapshots needs Node.js 22.15 or newer, and this is ${version}`)
    t.equal(stdout, '')
  })
}

for (const version of ['22.15.0', '22.20.1', '23.0.0', '24.21.0', '100.0.0']) {
  t.test(`on Node ${version} an import succeeds`, async t => {
    t.match(importOn(version), { status: 0, stdout: 'imported\n', stderr: '' })
  })
}

t.test('the package asks for its Node before it loads anything else', async t => {
  const { readFileSync } = await import('node:fs')
  const index = readFileSync(new URL('../src/index.ts', import.meta.url), 'utf8')
  t.match(/^(import|export) .*$/m.exec(index)?.[0], /require-node\.ts/)
})

t.test('this Node is new enough', async t => {
  await t.resolves(import('../src/require-node.ts'))
})
