import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { start } from './store';
import { Page } from './view/page';

render(<Page />, document.getElementById('app')!);
start();
