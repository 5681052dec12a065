import { dirWorld, kubernetesWorld, memoryWorld } from '../support/store-worlds.ts';
import { storeContract } from './store.ts';

storeContract('the in-memory store', memoryWorld);
storeContract('the dir: datastore', dirWorld);
storeContract('the kubernetes datastore', kubernetesWorld);
