@description('Name of the resource.')
param name string
@description('Resource id of the host storage.')
param hostStorageId string
@description('Resource id of the landing account.')
param restoreStorageId string
@description('Resource id of the key vault with the passwords of servers.')
param passwordsId string
@description('Resource id of the key vault with the keys that are signed with.')
param signingId string
@description('Region.')
param location string
@description('Tags of every resource.')
param tags object

@description('A zone for each kind of endpoint.')
var zones = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  vault: 'privatelink.vaultcore.azure.net'
}
var reached = [
  { name: 'blob', target: hostStorageId, group: 'blob' }
  { name: 'queue', target: hostStorageId, group: 'queue' }
  { name: 'table', target: hostStorageId, group: 'table' }
  { name: 'restore', target: restoreStorageId, group: 'blob' }
  { name: 'passwords', target: passwordsId, group: 'vault' }
  { name: 'signing', target: signingId, group: 'vault' }
]

resource vnet 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        '10.40.0.0/16'
      ]
    }
    subnets: [
      {
        name: 'functions'
        properties: {
          addressPrefix: '10.40.0.0/26'
          delegations: [
            {
              name: 'flex'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'jobs'
        properties: {
          addressPrefix: '10.40.2.0/23'
          delegations: [
            {
              name: 'aca'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.40.1.0/26'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource dns 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in items(zones): {
  name: zone.value
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in items(zones): {
  parent: dns[i]
  name: 'link-${zone.key}'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: vnet.id
    }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-07-01' = [for item in reached: {
  name: 'pe-${item.name}-${name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: '${vnet.id}/subnets/endpoints'
    }
    privateLinkServiceConnections: [
      {
        name: item.name
        properties: {
          privateLinkServiceId: item.target
          groupIds: [
            item.group
          ]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [for (item, i) in reached: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: item.group
        properties: {
          privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zones[item.group])
        }
      }
    ]
  }
  dependsOn: [
    dns
  ]
}]

output functionSubnetId string = '${vnet.id}/subnets/functions'
output workerSubnetId string = '${vnet.id}/subnets/jobs'
