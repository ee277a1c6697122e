import { render } from 'preact';
import { App } from './shell/App';
import { listen } from './shell/shortcuts';
import './styles/all.css';

listen();
render(<App />, document.getElementById('app')!);
