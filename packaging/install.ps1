# Installs or upgrades the agent from the folder that this script is in, as the service yagura-agent; with -Remove, removes it. Run it as
# administrator. Configuration and state, in C:\ProgramData\Yagura, stay in any case.
param(
    [string]$Uplink = "", # kinesis:STREAM, as <uplink> has it; used where the configuration names none
    [string]$Region = "",
    [string]$Central = "",
    [switch]$Remove
)
$ErrorActionPreference = "Stop"
$program = Join-Path $env:ProgramFiles "Yagura"
$data = Join-Path $env:ProgramData "Yagura"
$conf = Join-Path $data "ossec.conf"
$service = Get-Service yagura-agent -ErrorAction SilentlyContinue

if ($service) { Stop-Service yagura-agent }
if ($Remove) {
    if ($service) { sc.exe delete yagura-agent | Out-Null }
    if (Test-Path $program) { Remove-Item -Recurse -Force $program }
    exit 0
}

New-Item -ItemType Directory -Force $program, $data | Out-Null
# Logs and what files are like are nobody's business but administrators'.
icacls.exe $data /inheritance:r /grant "*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F" | Out-Null
if ($PSScriptRoot -ne $program) { Copy-Item -Force (Join-Path $PSScriptRoot "*") $program }
if (-not (Test-Path $conf)) { Copy-Item (Join-Path $program "ossec.conf") $conf }

function Test-Uplink { ((Get-Content -Raw $conf) -replace "(?s)<!--.*?-->", "") -match "<uplink>" }
if ($Uplink -and -not (Test-Uplink)) {
    $client = "<ossec_config>`n  <client>`n    <uplink>$Uplink</uplink>`n"
    if ($Region) { $client += "    <region>$Region</region>`n" }
    if ($Central) { $client += "    <central>$Central</central>`n" }
    Add-Content $conf ($client + "  </client>`n</ossec_config>")
}

if (-not $service) {
    New-Service yagura-agent -DisplayName "Yagura agent" -StartupType Automatic -BinaryPathName "`"$program\yagura-agent.exe`" run" `
        -Description "Reads logs, watches files, looks for rootkits, and sends what it sees to a Yagura stack." | Out-Null
    sc.exe failure yagura-agent reset= 86400 actions= restart/10000/restart/10000/restart/60000 | Out-Null
}
if (Test-Uplink) { Start-Service yagura-agent }
else { "yagura-agent is not started: say in $conf where events go (<client><uplink>), then: Start-Service yagura-agent" }
