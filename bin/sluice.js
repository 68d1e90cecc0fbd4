#!/usr/bin/env node
import { basename } from 'node:path'
import { main } from '../dist/program/main.js'

await main(process.argv, basename(process.argv[1] ?? 'sluice', '.js'))
