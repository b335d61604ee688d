/** Preact and htm, typed. */

import htm from "./vendor/htm.js";
import * as hooks from "./vendor/hooks.js";
import * as preact from "./vendor/preact.js";

/** @import * as Preact from "preact" */
/** @import * as Hooks from "preact/hooks" */

/** @type {(strings: TemplateStringsArray, ...values: any[]) => Preact.VNode<any>} */
export const html = /** @type {any} */ (htm).bind(preact.h);

/** @type {typeof Preact.render} */
export const render = preact.render;
/** @type {typeof Preact.createContext} */
export const createContext = preact.createContext;
/** @type {typeof Hooks.useState} */
export const useState = hooks.useState;
/** @type {typeof Hooks.useEffect} */
export const useEffect = hooks.useEffect;
/** @type {typeof Hooks.useLayoutEffect} */
export const useLayoutEffect = hooks.useLayoutEffect;
/** @type {typeof Hooks.useMemo} */
export const useMemo = hooks.useMemo;
/** @type {typeof Hooks.useRef} */
export const useRef = hooks.useRef;
/** @type {typeof Hooks.useContext} */
export const useContext = hooks.useContext;
