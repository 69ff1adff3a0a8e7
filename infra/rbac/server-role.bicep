@description('Name of the custom role; unique in the tenant.')
param roleName string
@description('Name of a flexible server of this resource group.')
param serverName string
@description('Principal of the function app.')
param controlPrincipalId string

var scopeId = resourceGroup().id

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' existing = {
  name: serverName
}

resource serverRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(server.id, roleName)
  properties: {
    roleName: roleName
    description: 'Change parameters of the server for the time of a restore, and put them back. Nothing else of it.'
    type: 'CustomRole'
    assignableScopes: [
      scopeId
    ]
    permissions: [
      {
        actions: [
          'Microsoft.DBforPostgreSQL/flexibleServers/configurations/read'
          'Microsoft.DBforPostgreSQL/flexibleServers/configurations/write'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(server.id, controlPrincipalId, serverRole.id)
  scope: server
  properties: {
    roleDefinitionId: serverRole.id
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}
