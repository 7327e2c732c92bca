//! The page's style: system fonts, fixed-width numerals, few colours, light and dark.
//!
//! Colours are named once, as variables, and the dark half only gives them other values. Each one that carries
//! meaning also has a word, a sign, a dash or a pattern beside it.

/// The whole style sheet.
pub(super) const CSS: &str = r#"
:root{color-scheme:light dark;--bg:#f7f7f5;--panel:#fff;--ink:#1c2026;--quiet:#596270;--line:#e2e3e0;--grid:#ecedea;--link:#1f5a92;
--ok:#2b6f8f;--ok-soft:#8fbdd1;--good:#256b45;--good-bg:#e3f1e8;--bad:#a82a22;--bad-bg:#fbe6e3;--doubt:#85590a;--doubt-bg:#faefd6;
--info:#b9770e;--code:#f0f0ed;
--partition:#5566c4;--kill:#b8443c;--pause:#a8741a;--clock-bump:#5f8a2f;--clock-drift:#2a8577;--slow-link:#8d549c;--other:#6b7480;
--band:.11;--on-fault:#fff}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--panel:#1b1f25;--ink:#e3e6ea;--quiet:#9aa3af;--line:#2e343c;--grid:#262b32;
--link:#86b8e6;
--ok:#7cc0dd;--ok-soft:#3f7790;--good:#86d3a3;--good-bg:#1b3426;--bad:#f39a90;--bad-bg:#40201d;--doubt:#e8bf6c;--doubt-bg:#3a2e14;
--info:#e0a445;--code:#242930;
--partition:#8e9bec;--kill:#e6827a;--pause:#d9a650;--clock-bump:#9cc46a;--clock-drift:#5fbfae;--slow-link:#c38fd1;--other:#98a1ad;
--band:.14;--on-fault:#14171b}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main,footer{max-width:1240px;margin:0 auto;padding:0 24px}
header,section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:22px 26px;margin:20px 0}
header{border-top:5px solid var(--quiet)}
header.valid{border-top-color:var(--good)}header.invalid{border-top-color:var(--bad)}header.inconclusive{border-top-color:var(--doubt)}
.title{margin:0 0 6px;color:var(--quiet)}
h1{font-size:20px;line-height:1.45;font-weight:600;margin:0 0 14px;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 10px}h3{font-size:15px;margin:24px 0 8px;overflow-wrap:anywhere}
p{margin:0 0 12px;max-width:88ch}
.quiet{color:var(--quiet);font-weight:400;font-size:13.5px}
a{color:var(--link)}a:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--link);outline-offset:2px}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
.badge{display:inline-block;border-radius:6px;padding:1px 11px;margin-right:6px;font-weight:700;letter-spacing:.03em}
.pill{display:inline-block;border-radius:999px;padding:0 10px;font-size:13px;font-weight:600;white-space:nowrap}
.valid>h1 .badge,.pill.valid{background:var(--good-bg);color:var(--good)}
.invalid>h1 .badge,.pill.invalid{background:var(--bad-bg);color:var(--bad)}
.inconclusive>h1 .badge,.pill.inconclusive{background:var(--doubt-bg);color:var(--doubt)}
.pill.quiet{background:none;color:var(--quiet);box-shadow:inset 0 0 0 1px var(--line);font-weight:500}
.reasons{margin:0 0 16px;padding-left:20px;max-width:100ch}.reasons li{margin:2px 0;overflow-wrap:anywhere}
.facts{display:flex;flex-wrap:wrap;gap:12px 34px;margin:0 0 18px}.facts dt{font-size:12.5px;color:var(--quiet)}.facts dd{margin:0;
font-weight:600}
.command{margin:0}.command figcaption{font-size:12.5px;color:var(--quiet);margin-bottom:4px}
pre{margin:0;padding:10px 14px;background:var(--code);border-radius:7px;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all;
-webkit-user-select:all}
nav{display:flex;flex-wrap:wrap;gap:4px 20px;padding:0 4px;font-size:14px}
.scroll{overflow-x:auto;margin:0 0 10px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:7px 14px 7px 0;border-bottom:1px solid var(--line);white-space:nowrap}
th:last-child,td:last-child{padding-right:2px}
thead th{font-size:12.5px;font-weight:600;color:var(--quiet);white-space:normal;vertical-align:bottom}
tbody th{font-weight:500}
tbody tr:last-child>*{border-bottom:0}
.n{text-align:right}td.prose,th.prose{white-space:normal;min-width:260px;overflow-wrap:anywhere}
.yes{color:var(--good)}.no{color:var(--bad)}
details>summary{cursor:pointer;color:var(--link);font-size:13.5px}
.figures{display:flex;flex-wrap:wrap;gap:4px 24px;margin:6px 0}.figures div{display:flex;gap:8px}.figures dt{color:var(--quiet)}
.figures dd{margin:0;font-weight:600}
.anomaly{border:1px solid var(--line);border-radius:8px;padding:9px 14px;margin:0 0 10px}
.anomaly:target{border-color:var(--link)}
.anomaly>summary{color:inherit;font-size:14.5px;overflow-wrap:anywhere}
.explanation{margin:10px 0 12px;overflow-wrap:anywhere}
.kind::before{content:"";display:inline-block;width:10px;height:10px;border-radius:2px;background:var(--k);margin-right:7px}
.k-partition{--k:var(--partition)}.k-kill{--k:var(--kill)}.k-pause{--k:var(--pause)}.k-clock-bump{--k:var(--clock-bump)}.k-clock-drift{
--k:var(--clock-drift)}.k-slow-link{--k:var(--slow-link)}.k-other{--k:var(--other)}
svg{display:block;width:100%;min-width:960px;height:auto}svg.defs{position:absolute;min-width:0;width:0;height:0}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:var(--ink);
font-variant-numeric:tabular-nums}
svg .tick,svg .legend-label{fill:var(--quiet);font-size:11.5px}svg .lane{fill:var(--ink)}
svg .lane.property{font-size:11.5px}svg .chart-title{font-weight:600}
.grid{stroke:var(--grid);fill:none}
.pattern{stroke:var(--panel);stroke-width:2;stroke-opacity:.75;fill:none}.pattern-dot{fill:var(--panel)}
.band{fill:var(--k);fill-opacity:var(--band)}
.fault{fill:var(--k)}.fault.unproved{fill-opacity:.18;stroke:var(--k);stroke-dasharray:4 3}
svg .fault-id{fill:var(--on-fault);font-size:11px;font-weight:600;pointer-events:none}
.fault.unproved+.fault-id{fill:var(--ink)}
.area-ok{fill:var(--ok-soft)}.area-info{fill:var(--info)}.area-fail{fill:var(--bad)}.area-ok.over{display:none}.area-info.over{
fill:url(#dots)}.area-fail.over{fill:url(#strokes)}
.p50,.p99{fill:none;stroke:var(--ink);stroke-width:1.6;stroke-linejoin:round}.p99{stroke-dasharray:5 3}
.point-ok{fill:none;stroke:var(--ok);stroke-width:3;stroke-linecap:round;stroke-opacity:.32}.point-ok.legend{stroke-opacity:1;
stroke-width:5}
.point-info{fill:none;stroke:var(--info);stroke-width:1.3}.point-fail{fill:none;stroke:var(--bad);stroke-width:1.3}
.hover{fill:transparent}.hover:hover{fill:var(--ink);fill-opacity:.07}
.mark{fill:var(--bad);stroke:var(--bad);stroke-width:1.2}.mark.quiet{fill:var(--panel);stroke:var(--quiet)}
.milestone{stroke:var(--ink);stroke-width:1.2;fill:none}.milestone.converged{stroke-dasharray:2 3}svg .milestone-label{font-size:11.5px}
.op{stroke-width:1;rx:3px}
.op.ok{fill:var(--ok);fill-opacity:.14;stroke:var(--ok)}.op.info{fill:var(--info);fill-opacity:.14;stroke:var(--info);
stroke-dasharray:4 3}.op.fail{fill:var(--bad);fill-opacity:.1;stroke:var(--bad);stroke-dasharray:2 2}
.op.near{stroke-opacity:.5;fill-opacity:.07}.op.proof{stroke-width:2;fill-opacity:.24}
.op.context{fill-opacity:.16}
svg .op-label{font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;pointer-events:none}svg .op-label.near{
fill:var(--quiet)}svg .op-label.proof{font-weight:600}
.message{fill:none;stroke:var(--ink);stroke-width:1;stroke-opacity:.6}.message.lost{stroke:var(--bad);stroke-dasharray:4 3}
.message-label{font-size:10.5px;fill:var(--quiet)}.message-label.lost{fill:var(--bad)}
.edge{fill:none;stroke:var(--ink);stroke-width:1.5}.edge-head{fill:var(--ink)}.edge-ground{fill:var(--panel)}
svg .edge-label{font:600 11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.transaction{fill:var(--panel);stroke:var(--ok);stroke-width:2}svg .transaction-name{font-weight:600}
svg .band-label{font-size:11px;fill:var(--quiet)}
footer{color:var(--quiet);font-size:13px;padding-bottom:28px}footer p{overflow-wrap:anywhere;max-width:none}
@media (max-width:700px){main,footer{padding:0 10px}header,section{padding:16px 14px;margin:12px 0}h1{font-size:18px}.facts{gap:10px 22px}
.stack thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.stack,.stack tbody,.stack tr,.stack th,.stack td{display:block;text-align:left;white-space:normal;border:0;padding:1px 0;
overflow-wrap:anywhere;min-width:0}
.stack tr{border-bottom:1px solid var(--line);padding:9px 0}.stack tbody th{font-weight:600}
.stack td[data-label]::before{content:attr(data-label) ": ";color:var(--quiet)}}
@media print{body{background:#fff}header,section{border:0;padding:0}nav{display:none}}
"#;
