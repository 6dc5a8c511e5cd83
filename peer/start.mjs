#!/usr/bin/env node
// The command `lanyard`, where the package is linked (`npm link`): says what is wrong on a Node that is too old.
import '../shared/require-node.mjs'

await import('./main.ts')
