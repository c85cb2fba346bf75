import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** What coverage is collected of, whatever the test: the sources, and not the built package that some tests use. */
const sources = readdirSync('src', { recursive: true }).filter(file => file.endsWith('.ts')).map(file => join('src', file))

export default () => sources
