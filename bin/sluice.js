#!/usr/bin/env node
import { basename } from 'node:path'
import { main } from '../dist/src/cli/main.js'

await main(process.argv, basename(process.argv[1] ?? 'sluice', '.js'))
