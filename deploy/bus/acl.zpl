#   Who may serve and call what on the bus. @NAME@ stands for that principal's public key (Z85).
#   A second key line is the next key during a rotation. Reloaded on SIGHUP.
principal
    gateway
        key = "@gateway@"
        call = "jpki.Verify"
        call = "registry.Resolve"
        call = "registry.CreateId"
        call = "registry.ShowId"
        call = "registry.ChangeId"
        call = "registry.DeleteId"
        call = "registry.ResumeId"
        call = "registry.Link"
        call = "registry.Unlink"
        call = "registry.WithdrawConsent"
        call = "registry.UndoLink"
        call = "registry.Suspend"
        call = "registry.FindTerminal"
        call = "registry.Enrol"
        call = "registry.Renew"
        call = "registry.EnrolResult"
    registry
        key = "@registry@"
        serve = "registry"
    jpki-verify
        key = "@jpki-verify@"
        serve = "jpki"
    terminal-ca
        key = "@terminal-ca@"
        call = "registry.Pending"
        call = "registry.Issue"
    ops
        key = "@ops@"
        call = "registry.PutOperator"
        call = "registry.GetOperator"
        call = "registry.ListOperators"
        call = "registry.Invite"
        call = "registry.ListTerminals"
        call = "registry.RevokeTerminal"
        call = "bus.*"
